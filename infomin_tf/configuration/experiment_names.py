"""What gin files of experiments can name; importing this module registers it."""

import keras

from infomin_tf.configuration import gin_names
from infomin_tf.data import array_file, image_folder, images, label_maps, shapes, tfds_source
from infomin_tf.data.sets import Data
from infomin_tf.evaluation import knn, label_free, linear, logistic, segmentation
from infomin_tf.experiment import (
    evaluate,
    experiment,
    export,
    learn_views,
    pretrain,
    transfer,
    views_of_run,
)
from infomin_tf.learners import bounds, negatives
from infomin_tf.models import alexnet, encoder, heads, resnet
from infomin_tf.moving_mnist import factors, networks, pair, sequences, stages
from infomin_tf.training import loop, schedules
from infomin_tf.views import bands, color, families, generators, pairs, splits
from infomin_tf.views.augment import blur, crop, jigsaw, photometric, rand_augment

gin_names.register(experiment.Experiment, Data)
gin_names.register(learn_views.LearnViews, views_of_run.ViewsOfRun, pretrain.Pretrain)
gin_names.register(evaluate.Evaluate, export.Export)
gin_names.register(linear.LinearProbe, logistic.FastLinearProbe, knn.NearestNeighbours)
gin_names.register(segmentation.SegmentationProbe, transfer.Transfer)
gin_names.register(label_free.RotationProbe, label_free.EffectiveRank, label_free.Lidar)
gin_names.register(loop.TrainingLoop)
gin_names.register(schedules.Constant, schedules.Cosine, schedules.StepDecay)

gin_names.register(tfds_source.Tfds, image_folder.ImageFolder, array_file.ArrayFile)
gin_names.register(shapes.Shapes, images.Repeat)
gin_names.register(label_maps.TfdsSegmentation, label_maps.SegmentationFolder)

gin_names.register(pairs.IndependentPair, pairs.SharedPair, pairs.PatchPair)
gin_names.register(pairs.CropAndFlip, pairs.ShiftAndFlip, pairs.CenterCrop, families.Family)
gin_names.register(crop.RandomResizedCrop, crop.RandomShift, jigsaw.JigsawPatches)
gin_names.register(photometric.ColorJitter, photometric.Greyscale, photometric.Solarize)
gin_names.register(blur.GaussianBlur, rand_augment.RandAugment)
gin_names.register(families.moco_v1, families.moco_v2, families.simclr, group="families")
gin_names.register(families.infomin, families.infomin_colorless, group="families")
gin_names.register(families.pirl_jigsaw, group="families")

gin_names.register(splits.Whole, splits.ChannelSplit, splits.FrequencySplit)
gin_names.register(color.RGB, color.YDbDr, color.YUV, color.YIQ, color.YCbCr, color.Lab, color.HSV)
gin_names.register(bands.Bands)
gin_names.register(generators.AdditiveGenerator, generators.ReversibleGenerator)
gin_names.register(generators.AffineGenerator, generators.GlowGenerator)

gin_names.register(encoder.Encoder, heads.LinearHead, heads.MlpHead, heads.JigsawHead)
gin_names.register(alexnet.AlexNetHalf, resnet.ResNet18, resnet.ResNet34, resnet.ResNet50)
gin_names.register(resnet.ResNet101, resnet.ResNet152)
gin_names.register(resnet.ResNeXt50, resnet.ResNeXt101, resnet.ResNeXt152)
gin_names.register(negatives.InBatch, negatives.NTXent)
gin_names.register(negatives.MomentumQueue, negatives.MemoryBank)
gin_names.register(bounds.InfoNCE, bounds.DonskerVaradhan, bounds.NWJ, bounds.SMILE)

gin_names.register(sequences.MovingMnist, pair.FactorPair, splits.Sequence)
gin_names.register(networks.ConvNet, stages.PretrainSequences)
gin_names.register(stages.TrainSupervised, factors.FactorProbe)

for name, thing in vars(keras.optimizers).items():
    is_optimizer = isinstance(thing, type) and issubclass(thing, keras.optimizers.Optimizer)
    if is_optimizer and name not in ("Optimizer", "LossScaleOptimizer"):
        gin_names.register(thing)
