"""`nca demo`: train on a bundled image, and make a web page."""

from dataclasses import replace

from nca.commands.settings import DemoSettings
from nca.exporters.hosts.html import page_html
from nca.pictures import picture_path
from nca.rulefile import load_rule
from nca.system.files import write_atomically
from nca.texture.settings import train_settings
from nca.texture.train import RULE, train
from nca.training.job import Trained


def demo(settings: DemoSettings) -> Trained:
    """Train a rule on a bundled image, and make a web page that runs the rule.

    Raises:
        InputError: there is no such image, or the folder already contains results.
    """
    picture = picture_path(settings.picture)
    trained = train(
        train_settings(
            picture,
            settings.out,
            minutes=settings.minutes,
            overwrite=settings.overwrite,
            quiet=settings.quiet,
        )
    )
    page = settings.out / f"{settings.picture}.html"
    write_atomically(page, page_html({settings.picture: load_rule(settings.out / RULE)}))
    shown = {page.name: "runs the rule in any browser; scratch it with the mouse"}
    return replace(trained, results=shown | trained.results)
