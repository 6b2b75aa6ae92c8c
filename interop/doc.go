// Package interop holds tests only. They start a real Flask beside the Go code
// and show that both read and write the same session: random sessions in both
// directions, one browser whose requests alternate between two applications,
// timeouts, key rotation.
//
// The tests need Python with Flask and Flask-Login and fail without:
//
//	apt-get install python3-flask python3-flask-login python3-psycopg2 python3-pymysql python3-redis
//
// SOJOURN_PYTHON names the interpreter to use. Without it, the first of
// python3 and /usr/bin/python3 that has Flask is taken.
package interop
