"""An incident speaks: what is said, how it sounds, when it has its turn. One shell, `announcer`."""
