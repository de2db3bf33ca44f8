"""Stage 4: the encoder on disk."""

import os
import time

from infomin_tf import export, workers
from infomin_tf.results import Number
from infomin_tf.views.pairs import CenterCrop


class Export:
    """Writes model_dir/export/saved_model and model_dir/export/encoder.keras.

    Args:
        view: `pairs.CenterCrop` that the exported model applies, so that it takes images of any size; None: the model
            takes images of exactly the views' size.
    """

    name = "export"

    def __init__(self, view: CenterCrop | None = None):
        self.view = view

    def run(self, run, extractor):
        """Exports, and writes results.json; of several workers the chief writes."""
        started, size = time.monotonic(), run.pair.size
        resize = self.view.resize if self.view else None
        encoder = export.ImageEncoder(extractor, size, resize)
        encoder.build()
        directory = run.directory(self.name)
        if workers.is_chief():
            export.save_encoder(encoder, directory)
        path = os.path.join(directory, "saved_model")
        numbers = [
            Number("features", float(extractor.output_dimension), "dimensions", path),
            Number("parameters", float(encoder.count_params()), "", path),
        ]
        steps = run.numbers_of("pretrain")["steps"]
        run.finish(self.name, numbers, steps, time.monotonic() - started)
