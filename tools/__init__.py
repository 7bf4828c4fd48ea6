"""What works on the project and is no part of it: translations, and how sharp the tests are."""
