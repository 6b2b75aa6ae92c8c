module github.com/sojourn-go/sojourn/interop

go 1.26

require github.com/sojourn-go/sojourn v0.0.0

require pgregory.net/rapid v1.3.0

replace github.com/sojourn-go/sojourn => ../
