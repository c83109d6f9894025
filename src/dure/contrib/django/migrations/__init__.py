"""One for each of Dure's numbered files; see `dure.contrib.django.migrating`."""
