"""What the files of a prepared TFDS set hold: serialized examples, by place or file after file."""

import importlib.util

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from infomin_tf import graphs
from infomin_tf.data.indexed import IndexedImages
from infomin_tf.data.sharded import ShardedImages
from infomin_tf.data.tfds_splits import expression
from infomin_tf.errors import UserError

UNREADABLE = "a record of ArrayRecord cannot be read"
_BUFFER = 2**20
"""Bytes that are read at a time of each of the files that are read in sequence."""
_Format = tfds.core.file_adapters.FileFormat


def streamed(builder, parts, **arguments):
    """The images of some parts of a set, whose records are {"place", "example"}.

    Args:
        builder: of TFDS, prepared. Of several formats, ArrayRecord is read where it can be.
        parts: of `tfds_splits.find_parts`.
        **arguments: the others of `StreamedImages`.

    Returns:
        `IndexedImages` or `ShardedImages`.

    Raises:
        UserError: files of no format that can be read here.
    """
    size = sum(stop - start for _, start, stop in parts)
    split = expression(parts, 0, size)
    file_format = _format_to_read(builder)
    if file_format == _Format.ARRAY_RECORD:
        return IndexedImages(fetch=_fetcher(builder, split), size=size, **arguments)
    if file_format != builder.info.file_format:
        builder.info.set_file_format(file_format, override=True, override_if_initialized=True)
    shards = builder.info.splits[split].file_instructions
    ends = np.cumsum([shard.take for shard in shards])
    starts = ends - [shard.take for shard in shards]
    between = _reader(builder, shards, starts, ends)
    return ShardedImages(between=between, starts=starts, size=size, **arguments)


def _format_to_read(builder):
    there = builder.info.available_file_formats()
    has_reader = importlib.util.find_spec("array_record") is not None
    for file_format in (_Format.ARRAY_RECORD, _Format.TFRECORD, _Format.RIEGELI):
        if file_format in there and (has_reader or file_format != _Format.ARRAY_RECORD):
            return file_format
    names = " and ".join(sorted(each.value for each in there))
    if _Format.ARRAY_RECORD in there:
        raise UserError(
            f"{builder.data_dir} is prepared as {names}, and the package array_record, which reads "
            "it, is not installed here; install it, or prepare the set as tfrecord, see "
            "docs/scaling.md"
        )
    raise UserError(
        f"{builder.data_dir} is prepared as {names}, which is not read; prepare it as "
        "array_record (best) or tfrecord, see docs/scaling.md"
    )


def _fetcher(builder, split):
    source = builder.as_data_source(
        split,
        file_format=_Format.ARRAY_RECORD,
        deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES,
    )

    def read(places):
        try:
            return np.array(source.__getitems__(places.tolist()), object)
        except Exception as error:  # of many kinds, some of which would end the data set silently
            raise ValueError(f"{UNREADABLE}: {error}") from error

    def fetch(places):
        examples = tf.numpy_function(read, [places], tf.string, stateful=False)
        return {"example": tf.ensure_shape(examples, places.shape)}

    return fetch


def _reader(builder, shards, starts, ends):
    names = [str(shard.filename) for shard in shards]
    skips = np.array([shard.skip for shard in shards])
    open_file = tfds.core.file_adapters.ADAPTER_FOR_FORMAT[builder.info.file_format].make_tf_data

    @graphs.without_autograph
    def between(start, stop):
        def of_shard(number):
            shard_start, shard_end = tf.gather(starts, number), tf.gather(ends, number)
            low = tf.maximum(start, shard_start) - shard_start
            count = tf.maximum(tf.minimum(stop, shard_end) - shard_start - low, 0)
            examples = open_file(tf.gather(names, number), buffer_size=_BUFFER)
            examples = examples.skip(tf.gather(skips, number) + low).take(count)
            # A file that lacks records would otherwise end without a word.
            return examples.apply(tf.data.experimental.assert_cardinality(count))

        first = tf.math.count_nonzero(ends <= start)
        last = tf.math.count_nonzero(starts < stop)
        examples = tf.data.Dataset.range(first, last).flat_map(of_shard)
        return examples.map(lambda example: {"example": example})

    return between
