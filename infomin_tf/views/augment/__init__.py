"""Random operations on images [B, H, W, C], float in grey levels [0, 255]; crops take uint8 too.

Each operation is a class in two steps, so that one draw serves host, accelerator and slices alike:

- `draw(num_images, seed)` -> a dict of tensors [B, ...], by tf.random.stateless_*;
- `apply(images, draws)` -> images; deterministic, with static shapes, as XLA requires. A larger
  batch is computed whole, for accelerators; a batch of one takes branches, for the host, where
  `common.one_by_one` loops over the images. Same values.

The functions beneath them (`adjust_hue`, `gaussian_blur`, ...) take a parameter for each image.
"""
