module trustbridge.io/bench/sentinel

go 1.24
