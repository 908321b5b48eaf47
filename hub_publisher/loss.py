"""Token sequences -> nats: the one definition of the loss, for training, the held-out loss and the evaluation."""

from collections.abc import Sequence
from typing import Any

from hub_publisher.dataset import plan_batches, share_of

IGNORED = -100  # label of padding, as torch.nn.functional.cross_entropy names it


def collate(sequences: Sequence[Sequence[int]], pad_id: int) -> tuple[Any, Any]:
    """(input_ids, labels), both (B, T) int64; labels hold -100 at padding and the inputs elsewhere.

    Padding is on the right, where causal attention never looks, so no attention mask is needed. Without sequences the
    result is one row of padding that adds nothing to a summed loss: every process takes part in every step.
    """
    import torch

    width = max((len(row) for row in sequences), default=2)
    input_ids = torch.full((max(len(sequences), 1), width), pad_id)  # (B, T) int64
    labels = torch.full_like(input_ids, IGNORED)  # (B, T) int64
    for row, sequence in enumerate(sequences):
        input_ids[row, : len(sequence)] = labels[row, : len(sequence)] = torch.tensor(sequence)
    return input_ids, labels


def summed_loss(model: Any, input_ids: Any, labels: Any) -> Any:
    """Sum over predicted tokens of -ln p, in nats, as a float32 scalar: divide by `num_predicted` for the mean."""
    import torch

    logits = model(input_ids=input_ids).logits[:, :-1]  # (B, T - 1, V)
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
    )


def num_predicted(sequences: Sequence[Sequence[int]]) -> int:
    """Tokens that are predicted: all but the BOS of each sequence."""
    return sum(len(row) - 1 for row in sequences)


def mean_loss(
    model: Any, sequences: Sequence[Sequence[int]], pad_id: int, tokens_per_batch: int, accelerator: Any = None
) -> float:
    """Nats per predicted token over `sequences`, each alone, BOS to EOS; NaN-free input is the caller's promise.

    Under several processes each computes its share and all return the same mean.
    """
    import torch

    rank, world = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    device = accelerator.device if accelerator else model.device
    total = torch.zeros((), dtype=torch.float64, device=device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for batch in plan_batches(list(map(len, sequences)), tokens_per_batch, seed=0, epoch=0):
            share = [sequences[index] for index in share_of(batch, rank, world)]
            input_ids, labels = collate(share, pad_id)  # (B, T) int64
            total += summed_loss(model, input_ids.to(device), labels.to(device))
    model.train(was_training)
    if accelerator:
        total = accelerator.reduce(total, "sum")
    return float(total / num_predicted(sequences))
