"""The named events, for programs that read the journal and for the journal's catalog.

Code logs an event with `extra={"event": name, ...}` and the fields of its subject: METER, PORT, OBIS, EMP, SERVER,
WORKER. So no room below needs to know the journal.

systemd/smgw.catalog has cause and remedy of each event under the same MESSAGE_ID, which `journalctl -x` prints. An id
is never used for another event.
"""

MESSAGE_IDS = {
    "meter-reading": "5cf58613f0a341cfbb0b97c3aa2f3f0b",
    "meter-waiting": "c6bb263e37da449bb42c2691c575203c",
    "meter-silent": "eea9f2278be843a498fc59caa6d39a41",
    "meter-absent": "290ffe075e914e639f1fbc6a149ab91b",
    "meter-locked": "ae00083081af4def91fb59c68fbbe593",
    "meter-held": "d5b1f7c0a2c94e5d8f5b36a0c94b7e21",
    "meter-unreadable": "7c1d0b9d5a3e4f0f9a6b6c52e1f48d27",
    "port-reopened": "b2f6a1c94d7e4c2c8f35d0a9e7613b58",
    "values-hidden": "53acb0e44c494256b13a7f0c02f5d881",
    "meter-exchanged": "19ad2eca8052498c82f3ad7b3ebb40eb",
    "values-implausible": "fbb6b2c145fc448c9e8672f65a88f355",
    "telegram-refused": "77719d086ef042c9bb94e5aec0e75fb4",
    "object-missing": "5e62e7acc79f487395bbd967c611110d",
    "counter-set": "b84b9e4da18d4746bbd0e9bb3f90a0e7",
    "case-opened": "ca7cabdd93514bb19197f961fbe50b89",
    "case-closed": "f34067b76fa74c488bc2cbfe33f617ee",
    "shutdown-asked": "8ecb8f4629f947ad8016ffe2dfe8d265",
    "disk-full": "4f8f2f475564405bb9572603bfccf0de",
    "disk-room-again": "9667c54c44d4454db8bb2b5d038e47a3",
    "store-salvaged": "3138f478a5d145f78b04a38c787c7c67",
    "salvage-ended": "dd0c6cc4520b43a08824fd7eb3c3845a",
    "salvage-waits": "eea4dfd2f6e541d6930e816a8c5907b4",
    "store-trouble": "5d91ad2cee77401da98ce1e0bfcd2f35",
    "undelivered-lost": "011bde12e23344bbaa29c8159774a4e3",
    "captures-dropped": "5fc5c7adf4b34421a62b207caabf6bda",
    "live-values-lost": "ef1b6b9afc8f49508aaa8f405a499097",
    "delivery-held": "2b44a46bc51b40d3907ce1e066037111",
    "delivery-backing-off": "967b9ff04e7646b5a471e09fcc1921cb",
    "delivery-resumed": "5a21cb39b9bf4752a60c61b163754652",
    "record-refused": "f4d55785b4fb4d1abc6dffff03277afe",
    "time-server-refused": "cc374e89998945ae939010ae314a5ee9",
    "time-server-answers": "74bb872f89fc4f40aadf548686780444",
    "clock-synchronised": "bc039c7553e144e182a61da46c2e1367",
    "clock-jump-ignored": "4d0c5a4e9d1c4b7f8a3c5be0b9a6d172",
    "clock-deviated": "8e2f17f334a74fe78bf7902ae14e09a4",
    "clock-aged": "c0a9f1d27b584f3e93d6e41a5b07c88d",
    "clock-sources-disagree": "cebab6752cc64e06a7e1649ebdab6ce6",
    "clock-step-before-build": "ecfeb2e61b184cabb82793542ed095bd",
    "clock-step-before-values": "efd1fa7ab5d4416881cfaadefa14eeaa",
    "clock-step-alone": "bf17668a00b543cc8c47dd6b3c348d4b",
    "certificate-ends": "540a7a43386e4bfe890c8be8aea59718",
    "ready": "f8eb2d6dfd62480fa58d2e09516b671d",
    "stopping": "9e82051490f746258af936e4fb3038f8",
    "configuration-taken": "e5008d78a04648b28e3e922cc19fc332",
    "configuration-refused": "f3fc213717494987948cccf83f2ece80",
    "worker-failed": "ef3f9073a47641cab515c3bab6faf3ba",
    "worker-dead": "1aa213dfd10147bab096372a82baaddc",
    "process-ended": "deb492c8f7c047a19f47f8da7ed0c49e",
    "keys-refused": "f42e0b9b6b834823a5076edc7e570e9e",
    "keys-unusable": "693cfd0251f849bebad2d92d6a167b80",
    "start-refused": "c003440f52904d99b645dec2e96e5d85",
}
#: Fields of a record that have the same name in the journal.
FIELDS = ("METER", "PORT", "OBIS", "EMP", "SERVER", "WORKER")
