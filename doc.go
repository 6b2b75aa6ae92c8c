// Package sojourn gives Go web applications sessions: what an application
// remembers of a visitor between two HTTP requests.
//
// Most programs need [New], [Manager.Middleware] and one [Field] for each thing
// they remember; those with a login also [SignIn], [Owner] and [End].
//
//	const language sojourn.Field[string] = "language"
//
//	ring, err := keys.FromEnv("SECRET_KEY")
//	…
//	sessions, err := sojourn.New(sojourn.Config{Keep: flask.Signed(ring)})
//	…
//	mux.HandleFunc("POST /language", func(w http.ResponseWriter, r *http.Request) {
//		language.Set(r.Context(), r.FormValue("language"))
//		http.Redirect(w, r, "/", http.StatusSeeOther)
//	})
//	http.ListenAndServe(addr, sessions.Middleware(mux))
//
// # How a request flows
//
// The middleware puts an unopened session into the request's context and does
// nothing else. The first use reads the cookie; fields are decoded when they
// are read. Changes are kept as operations. Before the first byte of the
// response the session is saved once: unchanged, it costs nothing. If it
// cannot be saved, [Config.Error] answers instead of the handler, so that no
// page ever says "saved" when it was not.
//
// After that moment a session in a cookie can no longer be changed: a later
// change is [ErrLate] in [Session.Err] and an event, never silence. In a store
// it can, until the handler returns; see [Session.Save].
//
// # Stores
//
// With [InStore] sessions are kept on the server. Parallel requests on one
// session then lose nothing: each applies what it did to what is there when it
// saves, and again when another was quicker. A session that has ended stays so:
// what a slow request wrote is dropped, which is [ErrEnded] in its
// [Session.Err]. [Manager.Run] sweeps, [Manager.Sessions] lists an owner's
// sessions, [Manager.RevokeOwner] ends them. Package store is the contract of
// stores; memstore, sqlstore and redisstore are some.
//
// # Encrypted cookies
//
// With [Encrypted] the session is in the cookie, and the visitor cannot read it.
// [Config.Revocations] is a list by which a sign-out reaches every copy of it;
// [Keeper.SpillTo] lets it grow into a store. [Config.AlsoRead] moves sessions from
// one form, cookie name or store to another. Keys change while the program runs:
// see package keys.
//
// # Values
//
// A [Field] is a typed constant. What it reads is a private copy; change it
// with Set or Update. [From] gives the [Session] itself, for everything that is
// not one field. Text that nobody touched is carried through as the bytes it
// came in, so fields of another program survive.
//
// # Timeouts
//
// Every session ends when it was not used for [Config.IdleTimeout], and in any
// case [Config.AbsoluteTimeout] after it was made or signed in to. The server
// enforces both, whatever the cookie says. A cookie is renewed at most once in
// a tenth of the idle timeout (or a minute), and only with pages: a program
// that lives on fetch calls alone should write to its session now and then.
//
// # Security
//
// The cookie is HttpOnly, Secure and SameSite=Lax. Responses that used the
// session vary by cookie, and no cache may keep one that sets it. Signing in
// always makes a new session identity; in a store, and in a cookie with
// [Config.Revocations], the one from before is dead. A cookie that is not to be trusted is
// refused in bounded time, is an event, and looks to the handler like no
// cookie. Protect forms with net/http.CrossOriginProtection.
package sojourn
