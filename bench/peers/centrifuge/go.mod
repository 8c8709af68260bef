module pollen8/bench/centrifuge

go 1.24

require (
	github.com/centrifugal/centrifuge v0.40.1
	github.com/nats-io/nats.go v1.53.1
)
