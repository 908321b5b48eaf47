"""Token sequences -> nats: the one definition of the loss, for training, the held-out loss and the evaluation."""

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import cross_entropy

from hub_publisher.model.dataset import plan_batches

Sequences = Sequence[Sequence[int]]  # token ids, BOS to EOS
IGNORED = -100  # label of padding, as cross_entropy names it


def collate(sequences: Sequences, pad_id: int) -> tuple[Tensor, Tensor]:
    """(input_ids, labels), both (B, T) int64; labels hold -100 at padding and the inputs elsewhere.

    Padding is on the right, where causal attention never looks, so no attention mask is needed. Without sequences the
    result is one row of padding that adds nothing to a summed loss: every process takes part in every step.
    """
    width = max((len(row) for row in sequences), default=2)
    input_ids = torch.full((max(len(sequences), 1), width), pad_id)  # (B, T) int64
    labels = torch.full_like(input_ids, IGNORED)  # (B, T) int64
    for row, sequence in enumerate(sequences):
        input_ids[row, : len(sequence)] = labels[row, : len(sequence)] = torch.tensor(sequence)
    return input_ids, labels


def row_losses(model: Module, input_ids: Tensor, labels: Tensor) -> Tensor:
    """Sum over the predicted tokens of each row of -ln p, in nats: (B,) float32, 0 for a row of padding.

    Divide the rows' sum by `num_predicted` for the mean.
    """
    logits = model(input_ids=input_ids).logits[:, :-1]  # (B, T - 1, V)
    each = cross_entropy(
        logits.float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="none"
    )  # (B * (T - 1),) float32
    return each.view(len(labels), -1).sum(1)


def num_predicted(sequences: Sequences) -> int:
    """Tokens that are predicted: all but the BOS of each sequence."""
    return sum(len(row) - 1 for row in sequences)


def sequence_losses(
    model: Module, sequences: Sequences, pad_id: int, tokens_per_batch: int, accelerator: Accelerator | None = None
) -> Tensor:
    """Nats of each of the `sequences`, each alone, BOS to EOS: (N,) float64 on the device that computed them.

    Under several processes each computes its share and all return the same.
    """
    rank, world = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    device = next(model.parameters()).device
    losses = torch.zeros(len(sequences), dtype=torch.float64, device=device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for batch in plan_batches(list(map(len, sequences)), tokens_per_batch, seed=0, epoch=0):
            share = batch[rank::world]  # may be empty
            input_ids, labels = collate([sequences[index] for index in share], pad_id)  # (B, T) int64
            rows = row_losses(model, input_ids.to(device), labels.to(device))
            losses[share] = rows[: len(share)].double()  # without the row of padding of an empty share
    model.train(was_training)
    return accelerator.reduce(losses, "sum") if accelerator else losses


def mean_loss(
    model: Module, sequences: Sequences, pad_id: int, tokens_per_batch: int, accelerator: Accelerator | None = None
) -> float:
    """Nats per predicted token over `sequences`, from `sequence_losses`."""
    losses = sequence_losses(model, sequences, pad_id, tokens_per_batch, accelerator)
    return float(losses.sum() / num_predicted(sequences))
