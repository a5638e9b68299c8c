"""Times dsmr-parser over rounds of telegrams: one JSON list a line in, CPU seconds a telegram out."""

import json
import sys
import time

from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

parser = TelegramParser(telegram_specifications.V5)
for line in sys.stdin:
    telegrams = json.loads(line)
    began = time.process_time()
    for telegram in telegrams:
        parser.parse(telegram)
    print((time.process_time() - began) / len(telegrams), flush=True)
