"""The table at the end of a run."""

from infomin_tf.runs import results


def measured(label, value, unit, protocol):
    return {"key": label, "label": label, "value": value, "unit": unit, "protocol": protocol}


def test_it_is_narrow_and_each_protocol_stands_once():
    long, short = "a protocol of many words, " * 12, "short"
    stages = {
        "pretrain": {"measurements": [measured("I_NCE", 3.456, "nats", long)]},
        "evaluate": {
            "measurements": [
                measured("kNN, pre-trained", 81.25, "%", short),
                measured("kNN, untrained", 0.0012, "%", short),
                measured("uniformity", float("nan"), "", short),
            ]
        },
        "export": {"measurements": [measured("parameters", 1238672.0, "", long)]},
    }
    lines = results.table(stages).splitlines()
    assert max(map(len, lines)) <= 100
    assert [line.split() for line in lines[:6]] == [
        ["stage", "measurement", "value", "how"],
        ["pretrain", "I_NCE", "3.46", "nats", "[1]"],
        ["evaluate", "kNN,", "pre-trained", "81.25", "%", "[2]"],
        ["kNN,", "untrained", "1.2e-03", "%", "[2]"],
        ["uniformity", "nan", "[2]"],
        ["export", "parameters", "1,238,672", "[1]"],
    ]
    below = "\n".join(lines[6:])
    assert below.count("[1]") == below.count("[2]") == 1
    assert " ".join(below.split()) == f"[1] {long.strip()} [2] {short}"
