"""All that knows tf.distribute: replicas, strategies, worker processes."""
