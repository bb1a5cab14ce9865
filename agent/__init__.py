"""What runs on the target: standard library and psutil, Python 3.8 or later, nothing of the controller."""
