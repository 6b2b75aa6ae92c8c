package flask

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn"
)

// Settings are a Flask application's session settings, for [Exact]. The zero
// value is Flask's own defaults.
type Settings struct {
	CookieName        string        // SESSION_COOKIE_NAME; "" is "session"
	CookieDomain      string        // SESSION_COOKIE_DOMAIN; "" is None
	CookiePath        string        // SESSION_COOKIE_PATH, or else APPLICATION_ROOT; "" is "/"
	CookieSecure      bool          // SESSION_COOKIE_SECURE
	CookieScripts     bool          // SESSION_COOKIE_HTTPONLY = False: scripts can read the cookie
	CookieSameSite    string        // SESSION_COOKIE_SAMESITE: Lax, Strict or None in any case; "" is no attribute
	CookiePartitioned bool          // SESSION_COOKIE_PARTITIONED
	Lifetime          time.Duration // PERMANENT_SESSION_LIFETIME, for every cookie; zero is 31 days
	NoRefresh         bool          // SESSION_REFRESH_EACH_REQUEST = False
	MaxCookieSize     int           // MAX_COOKIE_SIZE; zero is 4093, negative is no limit
}

func (s *Settings) lifetime() time.Duration {
	if s.Lifetime == 0 {
		return 31 * 24 * time.Hour
	}
	return s.Lifetime
}

// apply makes the manager behave as Flask does with these settings.
func (s *Settings) apply(t *sojourn.Traits) {
	sameSite, err := sameSiteOf(s.CookieSameSite)
	t.Err = errors.Join(t.Err, err)
	if s.Lifetime < 0 {
		t.Err = errors.Join(t.Err, errors.New("flask: Settings.Lifetime is negative"))
	}
	name := s.CookieName
	if name == "" {
		name = "session"
	}
	t.Cookie = sojourn.Cookie{
		Name: name, Domain: s.CookieDomain, Path: s.CookiePath, SameSite: sameSite, Partitioned: s.CookiePartitioned,
	}
	t.Clockless, t.Lifetime = true, s.lifetime()
	t.Flask = &sojourn.FlaskRules{
		Secure: s.CookieSecure, ScriptReadable: s.CookieScripts, RefreshPermanent: !s.NoRefresh, MaxCookieSize: s.MaxCookieSize,
	}
	switch {
	case s.MaxCookieSize == 0:
		t.Flask.MaxCookieSize = 4093
	case s.MaxCookieSize < 0:
		t.Flask.MaxCookieSize = 0
	}
}

func sameSiteOf(text string) (http.SameSite, error) {
	switch strings.ToLower(text) {
	case "":
		return 0, nil
	case "lax":
		return http.SameSiteLaxMode, nil
	case "strict":
		return http.SameSiteStrictMode, nil
	case "none":
		return http.SameSiteNoneMode, nil
	}
	return 0, fmt.Errorf("flask: Settings.CookieSameSite: %q is none of Lax, Strict and None", text)
}
