"""``baiying demo``: the main job on virtual hardware, verified from what arrived."""
