-- Takes from PUBLIC what new functions gave it.
SELECT dure.seal()
