__version__ = '0.2.0'
REPOSITORY = ''  # its address on GitHub, once there is one
