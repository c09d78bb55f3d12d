"Tests in a real browser: chromium, htmx 2 and htmx 4, a server on loopback."
