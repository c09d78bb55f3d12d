"Reads settings.ini for what pyproject.toml lists under `dynamic`."
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

statuses = dict(enumerate("Planning|Pre-Alpha|Alpha|Beta|Production/Stable|Mature|Inactive".split("|"), 1))
cfg = ConfigParser(delimiters=["="])
cfg.read(Path(__file__).with_name("settings.ini"), encoding="utf-8")
d = cfg["DEFAULT"]

setup(
    keywords=d["keywords"].split(),
    classifiers=[
        f"Development Status :: {d['status']} - {statuses[int(d['status'])]}",
        "Framework :: AsyncIO",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Internet :: WWW/HTTP :: Dynamic Content",
        "Typing :: Typed",
    ],
    install_requires=d["requirements"].split(),
    extras_require={"dev": d["dev_requirements"].split()},
    entry_points={
        "console_scripts": d["console_scripts"].split(),
        "nbdev": ["fasthtml_ws=fasthtml_ws._modidx:d"], # where nbdev's links to symbols come from
    },
)
