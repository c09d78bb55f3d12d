"Long proofs as functions: the tests run them for a few seconds, `bench` for longer."
