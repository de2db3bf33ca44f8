"""Stage 4: the encoder on disk."""

import os
import time

import keras

from infomin_tf import export
from infomin_tf.data.checks import check_view_size
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError, reason
from infomin_tf.experiment.stage import Stage
from infomin_tf.formats import format
from infomin_tf.runs import files, run_folder
from infomin_tf.runs.results import Measurement
from infomin_tf.views.pairs import CenterCrop


class Export(Stage):
    """Writes the encoder to model_dir/export, in one format or several.

    Args:
        view: `pairs.CenterCrop` that the exported model applies, so that it accepts images of any
            size; None if the model accepts only images of exactly the views' size.
        formats: names of `infomin_tf.formats`, see `export.save_encoder`. What an earlier export of
            the same training has written in others stays.
    """

    name = "export"

    def __init__(self, view: CenterCrop | None = None, formats: tuple[str, ...] = format.DEFAULT):
        self.view, self._names = view, formats
        self._formats = format.make(formats)

    def check_views(self, pair, split):
        """See `Stage`."""
        check_view_size(pair, self.view, "Export.view")

    def check(self, run):
        """Raises UserError unless the formats can carry the networks and can be written."""
        for each in self._formats:
            each.check(run.split, run.backbones)
        for part in (run.split, *run.backbones):
            try:
                keras.saving.serialize_keras_object(part)
            except (NotImplementedError, TypeError, ValueError) as error:
                raise UserError(
                    f"{type(part).__name__} cannot be exported ({reason(error)}); give it "
                    "get_config (see keras.layers.Layer.get_config), or bind Experiment.export = "
                    "None"
                ) from error
        if workers.is_chief():
            run_folder.make_folder(run.directory(self.name), "another --model_dir")

    def run(self, run):
        """Exports, and writes results.json; of several workers the chief writes."""
        started = time.monotonic()
        resize = self.view.resize if self.view else None
        encoder = export.ImageEncoder(run.extractor, run.pair.size, resize)
        encoder.build()
        directory, same_training = run.directory(self.name), run.is_finished(self.name)
        if workers.is_chief():
            export.save_encoder(encoder, directory, self._names)
            for entry in () if same_training else format.others(self._formats):
                files.delete(os.path.join(directory, entry))
        entries = ", ".join(each.entry for each in self._formats)
        path = os.path.join(directory, entries)
        dimensions = float(run.extractor.output_dimension)
        parameters = float(encoder.count_params())
        measurements = [
            Measurement("features", "features", dimensions, "dimensions", path),
            Measurement("parameters", "parameters", parameters, "", path),
        ]
        steps = run.results_of("pretrain")["steps"]
        run.finish(self.name, measurements, steps, time.monotonic() - started)
