"""An object store on this machine: python -m tests.object_server PORT.

Moto's server, one request at a time: its exclusive create is not atomic.
"""

import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

if __name__ == '__main__':
  application = DomainDispatcherApplication(create_backend_app)
  run_simple('127.0.0.1', int(sys.argv[1]), application, threaded=False)
