module trustbridge.io/bench/tbenc

go 1.24
