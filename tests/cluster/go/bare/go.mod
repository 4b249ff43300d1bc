module bare-testbed

go 1.24.0
