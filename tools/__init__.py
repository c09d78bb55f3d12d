"Scripts that check and build what surrounds the package: notebooks, README and the docs site."
