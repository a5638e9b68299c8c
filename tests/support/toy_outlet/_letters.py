"""The toy outlet itself. A row whose number stands in the file `unwanted` is rejected."""

from smgw.cosem import DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.wan.outlet import Batch, Outcome, OutcomeKind, Surroundings


class LetterBox:
    """Appends `device store number` of each row to <folder>/letters."""

    def __init__(self, _gateway: DeviceId, profile: CommunicationProfile, _surroundings: Surroundings) -> None:
        self._folder = profile.options

    def send(self, batch: Batch) -> Outcome:
        if not self._folder.is_dir():
            return Outcome(OutcomeKind.RETRY, "the folder is not there")
        unwanted = self._folder / "unwanted"
        numbers = set(unwanted.read_text().split()) if unwanted.exists() else set()
        if any(str(record.record_number) in numbers for record in batch.records):
            return Outcome(OutcomeKind.REJECTED, "an unwanted row")
        with (self._folder / "letters").open("a") as letters:
            for record in batch.records:
                letters.write(f"{batch.feed.delivered} {record.store_id} {record.record_number}\n")
        return Outcome(OutcomeKind.ACKNOWLEDGED)

    def end(self) -> None:
        pass

    def close(self) -> None:
        pass
