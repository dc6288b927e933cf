"""What is done to sound on its way in or out, each step by itself. Pure: blocks in, blocks out."""
