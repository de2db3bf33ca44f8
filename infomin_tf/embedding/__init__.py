"""Features of many images: in a file, in TensorBoard's projector, on a page of nearest images."""
