"""Posts as they were downloaded -> posts worth learning from, with a count for every reason one was dropped."""

from collections.abc import Iterator

from hub_publisher.config import Config
from hub_publisher.curate.rules import Sieve, sieve
from hub_publisher.curate.split import HELDOUT, TRAIN, by_time, split
from hub_publisher.curate.statistics import summarise
from hub_publisher.errors import SourceError
from hub_publisher.records import POSTS, Account, Curation, KeptPost, Timeline
from hub_publisher.system.bars import hidden, tqdm
from hub_publisher.system.files import sha256_of, write_jsonl
from hub_publisher.text import languages

FEW_POSTS = 500  # below this a model learns phrases more than a way of writing
_MIN_POSTS = 2  # one to train on, one to hold out


def curate(config: Config, timeline: Timeline) -> Curation:
    """Clean the posts of `timeline`, drop what is no use, split the rest; leaves posts.jsonl.

    posts.jsonl is in the order of time. Raises SourceError, with every count, when fewer than `config.min_posts`
    posts are left.
    """
    posts = tqdm(by_time(timeline.posts), "Curating", unit=" posts", disable=hidden(), leave=False)
    sieved = sieve(posts, timeline.escapes_html, timeline.handle.lstrip("@"))
    if len(sieved.kept) < max(config.min_posts, _MIN_POSTS):
        raise _too_few(config, timeline, sieved)
    codes, counts, num_sampled = languages.identify(
        [text for _, text in sieved.kept], [post.language for post, _ in sieved.kept]
    )
    kept = [
        KeptPost(id=post.id, text=text, created_at=post.created_at, language=code)
        for (post, text), code in zip(sieved.kept, codes, strict=True)
    ]
    kept, split_by = split(kept, config.heldout_ratio, config.seed)
    write_jsonl(config.run_dir / POSTS, kept)
    dates = [post.created_at for post in kept if post.created_at]
    train, heldout = ([len(post.text) for post in kept if post.split == side] for side in (TRAIN, HELDOUT))
    return Curation(
        accounts=(_account(timeline, sieved),),
        masked=sieved.masked,
        languages=counts,
        first_post_at=min(dates, default=None),
        last_post_at=max(dates, default=None),
        last_train_post_at=max(
            (post.created_at for post in kept if post.created_at and post.split == TRAIN), default=None
        ),
        num_train=len(train),
        num_heldout=len(heldout),
        num_train_characters=sum(train),
        num_heldout_characters=sum(heldout),
        split_by=split_by,
        may_share_texts=timeline.may_share_texts,
        notes=(*timeline.notes, *_notes(sieved, num_sampled)),
        posts=summarise(kept),
        posts_sha256=sha256_of(config.run_dir / POSTS),
    )


def inspect(timeline: Timeline) -> Sieve:
    """What `curate` would keep and drop of `timeline`, in memory."""
    return sieve(by_time(timeline.posts), timeline.escapes_html)


def _account(timeline: Timeline, sieved: Sieve) -> Account:
    same = timeline.model_dump(include=set(Account.model_fields))
    return Account(**same, num_downloaded=len(timeline.posts), dropped=sieved.dropped, num_kept=len(sieved.kept))


def _notes(sieved: Sieve, num_sampled: int) -> Iterator[str]:
    if sieved.num_cut_back:
        yield f"Posts cut off by the source, kept up to their last whole sentence: {sieved.num_cut_back}."
    if (num_kept := len(sieved.kept)) < FEW_POSTS:
        yield f"Few posts: {num_kept} were kept; {FEW_POSTS} or more make a better model."
    if num_sampled:
        yield f"The languages were estimated from {num_sampled} posts."


def _too_few(config: Config, timeline: Timeline, sieved: Sieve) -> SourceError:
    needed = max(config.min_posts, _MIN_POSTS)
    rows = [("downloaded", len(timeline.posts)), *sieved.dropped.items(), ("kept", len(sieved.kept))]
    table = "\n".join(f"  {name.replace('_', ' '):<18}{number:>7}" for name, number in rows)
    return SourceError(
        f"Of the posts of {timeline.handle} {len(sieved.kept)} are worth training on, {needed} are needed.\n{table}",
        f"Give a source with more posts, or lower the limit: --min-posts {max(len(sieved.kept), _MIN_POSTS)}",
    )
