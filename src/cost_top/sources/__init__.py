"""Where figures come from: a log in a database, a report API, another cost-top. One protocol a kind."""
