"""From a learner to trained weights: loop, step, optimizer, schedules, checkpoints, precision."""
