__version__ = '0.1.0'
REPOSITORY = ''  # its address on GitHub, once there is one
