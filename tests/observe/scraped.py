"""What a Prometheus would have after reading the page over HTTP."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


class Scraped(dict):
    """Samples by name and labels: `scraped("hanzo_requests_total", outcome="ok")` adds up those that match."""

    def __call__(self, name, **labels):
        wanted = labels.items()
        return sum(
            value for (sample, has), value in self.items() if sample == name and wanted <= dict(has).items()
        )

    def labels(self, name):
        return [dict(has) for sample, has in self if sample == name]


def scrape(metrics):
    """Serve the metrics for one request, and read them."""
    with metrics.serve(0) as server, urllib.request.urlopen(server.url) as page:
        text = page.read().decode()
    scraped = Scraped()
    scraped.text = text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            scraped[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return scraped
