"""Random operations on batches of images, float [B, H, W, C] in grey levels [0, 255] (crops take uint8 too).

Each operation is a class in two steps, so that one draw serves the host, the accelerator and a slice of a batch alike:

- `draw(num_images, seed)` -> a dict of tensors [B, ...], the parameters of each image, by tf.random.stateless_*;
- `apply(images, draws, dense)` -> images; deterministic. `dense=True` computes on all images and selects, with static
  shapes, as XLA wants; `dense=False` computes on the drawn images alone, which is faster on the host. Same values.

The functions beneath them (`adjust_hue`, `gaussian_blur`, ...) take their parameters explicitly, one for each image.
"""
