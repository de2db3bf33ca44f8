"""What is left of TensorFlow's errors."""

import pytest

from infomin_tf.errors import reason

OF_READING = (
    "{{function_node __wrapped__IteratorGetNext}} Error in user-defined function passed to "
    "MapDataset:3 transformation with iterator: Iterator::Root::Map: "
)


@pytest.mark.parametrize(
    "said, left",
    [
        ("ValueError: a record is cut", "a record is cut"),
        ("JPEG: premature end", "JPEG: premature end"),
        ("cut [[{{node DecodeJpeg}}]] [Op:IteratorGetNext]", "cut"),
    ],
)
def test_names_of_operations_go_and_words_of_the_message_stay(said, left):
    assert reason(RuntimeError(OF_READING + said)) == left
    assert reason(RuntimeError(said.removeprefix("ValueError: "))) == left
