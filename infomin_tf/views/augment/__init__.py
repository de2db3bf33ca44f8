"""Random operations on batches of images, float [B, H, W, C] in grey levels [0, 255] (crops take uint8 too).

Each operation is a class in two steps, so that one draw serves the host, the accelerator and a slice of a batch alike:

- `draw(num_images, seed)` -> a dict of tensors [B, ...], the parameters of each image, by tf.random.stateless_*;
- `apply(images, draws)` -> images; deterministic, with static shapes, as XLA wants. A larger batch is computed whole, for
  accelerators; a batch of one takes branches, for the host, where `common.one_by_one` loops over the images. Same values.

The functions beneath them (`adjust_hue`, `gaussian_blur`, ...) take their parameters explicitly, one for each image.
"""
