"""The metrics of a server as a test reads them."""

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


class Scraped:
    """One answer of ``/metrics``."""

    def __init__(self, text: str) -> None:
        self._samples: dict[tuple[str, Labels], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self._samples}

    @property
    def values_of_labels(self) -> set[str]:
        """The values of all labels."""
        return {value for _, labels in self._samples for _, value in labels}

    def value(self, name: str, **labels: str) -> float | None:
        """Return a sample of paymentagg; None if there is none."""
        return self._samples.get((f"paymentagg_{name}", tuple(sorted(labels.items()))))
