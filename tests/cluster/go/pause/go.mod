module pause-testbed

go 1.24.0
