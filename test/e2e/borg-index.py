"""What borg itself knows of the repository R: {"committed": its last committed segment, "objects": {id: where}}"""

import json

from borg.logger import setup_logging
from borg.repository import Repository

setup_logging()
with Repository("R", exclusive=True, lock_wait=10) as repository:
    transaction = repository.get_transaction_id()
    index = repository.open_index(transaction)
    objects = {key.hex(): "{}:{}".format(*where) for key, where in index.iteritems()}
    print(json.dumps({"committed": repository.io.get_segments_transaction_id(), "objects": objects}))
