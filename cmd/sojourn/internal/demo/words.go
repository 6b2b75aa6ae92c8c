package demo

import (
	"fmt"
	"net/http"
)

// prices of the products, in cents.
var prices = map[string]int{"compass": 2450, "lantern": 3900, "map": 890, "tea": 620}

// products in the order of the shelf.
var products = []string{"compass", "lantern", "map", "tea"}

// words are what the demo says in one language. Explanations of the session
// are in English only.
type words struct {
	Code, Name string // of the language, in itself
	decimal    string

	Welcome, WelcomeName                        string
	Tagline                                     string
	YouHeading, SignInHint, NameLabel           string
	SignIn, SignOut, SignedInAs                 string
	LanguageHeading, LanguageLabel, Save        string
	ShopHeading, Add                            string
	CartHeading, CartEmpty, Remove, Empty       string
	Product, Quantity, Price, Total             string
	SignedIn, SignedOut, LanguageSaved, Emptied string
	Added, Removed, NotInCart, CartFull         string

	DevicesHeading, DevicesHint, DevicesFailed string
	ThisOne, Made, LastSeen, EndIt, EndOthers  string
	EndedOne, EndedAlready, EndedOthers        string
	EndAll, EndedAll                           string
	SignInFirst                                string

	Products map[string]string
}

// Money formats cents as the language does.
func (w *words) Money(cents int) string {
	return fmt.Sprintf("%d%s%02d €", cents/100, w.decimal, cents%100)
}

// wordsFor returns the words of the visitor's language, English by default.
func wordsFor(r *http.Request) *words {
	if w, ok := languages[language.GetOr(r.Context(), "en")]; ok {
		return w
	}
	return languages["en"]
}

// languageOrder is the order of the list, and languages what is in it.
var languageOrder = []string{"en", "de", "es", "fr"}

var languages = map[string]*words{
	"en": {
		Code: "en", Name: "English", decimal: ".",
		Welcome: "Welcome", WelcomeName: "Welcome, ",
		Tagline:    "everything this page remembers is in your session",
		YouHeading: "You", SignInHint: "Any name will do; there is no password here.", NameLabel: "Name",
		SignIn: "Sign in", SignOut: "Sign out", SignedInAs: "Signed in as",
		LanguageHeading: "Language", LanguageLabel: "Language of this page", Save: "Save",
		ShopHeading: "For the journey", Add: "Add",
		CartHeading: "Cart", CartEmpty: "The cart is empty.", Remove: "Remove one", Empty: "Empty the cart",
		Product: "Product", Quantity: "Quantity", Price: "Price", Total: "Total",
		SignedIn: "%s, you are signed in.", SignedOut: "You are signed out. That session has ended, and its cart with it.",
		LanguageSaved: "This page now speaks English.", Emptied: "The cart is empty now.",
		Added: "Added to the cart: %s.", Removed: "Taken out of the cart: %s.", NotInCart: "Not in the cart: %s.",
		CartFull:       "More than that do not fit into one cart.",
		DevicesHeading: "Your devices", DevicesHint: "Sign in with the same name in another browser, or a private window: it will appear here.",
		DevicesFailed: "The list cannot be shown at the moment.",
		ThisOne:       "this one", Made: "signed in", LastSeen: "last seen", EndIt: "Sign it out", EndOthers: "Sign out everywhere else",
		EndedOne: "That device is signed out.", EndedAlready: "That session had ended already.", EndedOthers: "Other devices signed out: %d.",
		EndAll: "Sign out everywhere", EndedAll: "You are signed out, here and everywhere else.",
		SignInFirst: "Please sign in first.",
		Products:    map[string]string{"compass": "Compass", "lantern": "Lantern", "map": "Map", "tea": "Tea"},
	},
	"de": {
		Code: "de", Name: "Deutsch", decimal: ",",
		Welcome: "Willkommen", WelcomeName: "Willkommen, ",
		Tagline:    "alles, was diese Seite sich merkt, steht in Ihrer Sitzung",
		YouHeading: "Sie", SignInHint: "Jeder Name genügt; ein Passwort gibt es hier nicht.", NameLabel: "Name",
		SignIn: "Anmelden", SignOut: "Abmelden", SignedInAs: "Angemeldet als",
		LanguageHeading: "Sprache", LanguageLabel: "Sprache dieser Seite", Save: "Speichern",
		ShopHeading: "Für die Reise", Add: "Hinzufügen",
		CartHeading: "Warenkorb", CartEmpty: "Der Warenkorb ist leer.", Remove: "Eins weniger", Empty: "Warenkorb leeren",
		Product: "Artikel", Quantity: "Anzahl", Price: "Preis", Total: "Summe",
		SignedIn: "%s, Sie sind angemeldet.", SignedOut: "Sie sind abgemeldet. Jene Sitzung ist beendet, und ihr Warenkorb mit ihr.",
		LanguageSaved: "Diese Seite spricht jetzt Deutsch.", Emptied: "Der Warenkorb ist jetzt leer.",
		Added: "In den Warenkorb gelegt: %s.", Removed: "Aus dem Warenkorb genommen: %s.", NotInCart: "Nicht im Warenkorb: %s.",
		CartFull:       "Mehr davon passen nicht in einen Warenkorb.",
		DevicesHeading: "Ihre Geräte", DevicesHint: "Melden Sie sich in einem anderen Browser oder einem privaten Fenster mit demselben Namen an: es erscheint dann hier.",
		DevicesFailed: "Die Liste kann gerade nicht gezeigt werden.",
		ThisOne:       "dieses", Made: "angemeldet", LastSeen: "zuletzt gesehen", EndIt: "Abmelden", EndOthers: "Überall sonst abmelden",
		EndedOne: "Jenes Gerät ist abgemeldet.", EndedAlready: "Jene Sitzung war schon beendet.", EndedOthers: "Andere Geräte abgemeldet: %d.",
		EndAll: "Überall abmelden", EndedAll: "Sie sind abgemeldet, hier und überall sonst.",
		SignInFirst: "Bitte melden Sie sich zuerst an.",
		Products:    map[string]string{"compass": "Kompass", "lantern": "Laterne", "map": "Landkarte", "tea": "Tee"},
	},
	"es": {
		Code: "es", Name: "Español", decimal: ",",
		Welcome: "Hola", WelcomeName: "Hola, ",
		Tagline:    "todo lo que esta página recuerda está en su sesión",
		YouHeading: "Usted", SignInHint: "Vale cualquier nombre; aquí no hay contraseña.", NameLabel: "Nombre",
		SignIn: "Iniciar sesión", SignOut: "Cerrar sesión", SignedInAs: "Sesión iniciada como",
		LanguageHeading: "Idioma", LanguageLabel: "Idioma de esta página", Save: "Guardar",
		ShopHeading: "Para el viaje", Add: "Añadir",
		CartHeading: "Carrito", CartEmpty: "El carrito está vacío.", Remove: "Quitar uno", Empty: "Vaciar el carrito",
		Product: "Producto", Quantity: "Cantidad", Price: "Precio", Total: "Total",
		SignedIn: "%s, ha iniciado sesión.", SignedOut: "Ha cerrado la sesión. Esa sesión ha terminado, y su carrito con ella.",
		LanguageSaved: "Esta página habla ahora español.", Emptied: "El carrito está vacío ahora.",
		Added: "Añadido al carrito: %s.", Removed: "Retirado del carrito: %s.", NotInCart: "No está en el carrito: %s.",
		CartFull:       "No caben más en un carrito.",
		DevicesHeading: "Sus dispositivos", DevicesHint: "Inicie sesión con el mismo nombre en otro navegador o en una ventana privada: aparecerá aquí.",
		DevicesFailed: "La lista no se puede mostrar en este momento.",
		ThisOne:       "este", Made: "sesión iniciada", LastSeen: "visto por última vez", EndIt: "Cerrar su sesión", EndOthers: "Cerrar las demás sesiones",
		EndedOne: "Se ha cerrado la sesión de ese dispositivo.", EndedAlready: "Esa sesión ya había terminado.", EndedOthers: "Otros dispositivos cerrados: %d.",
		EndAll: "Cerrar todas las sesiones", EndedAll: "Ha cerrado la sesión, aquí y en todas partes.",
		SignInFirst: "Inicie sesión primero, por favor.",
		Products:    map[string]string{"compass": "Brújula", "lantern": "Farol", "map": "Mapa", "tea": "Té"},
	},
	"fr": {
		Code: "fr", Name: "Français", decimal: ",",
		Welcome: "Bienvenue", WelcomeName: "Bienvenue, ",
		Tagline:    "tout ce que cette page retient est dans votre session",
		YouHeading: "Vous", SignInHint: "N’importe quel nom convient ; il n’y a pas de mot de passe ici.", NameLabel: "Nom",
		SignIn: "Se connecter", SignOut: "Se déconnecter", SignedInAs: "Connecté en tant que",
		LanguageHeading: "Langue", LanguageLabel: "Langue de cette page", Save: "Enregistrer",
		ShopHeading: "Pour le voyage", Add: "Ajouter",
		CartHeading: "Panier", CartEmpty: "Le panier est vide.", Remove: "Un de moins", Empty: "Vider le panier",
		Product: "Article", Quantity: "Quantité", Price: "Prix", Total: "Total",
		SignedIn: "%s, vous êtes connecté.", SignedOut: "Vous êtes déconnecté. Cette session est terminée, et son panier avec elle.",
		LanguageSaved: "Cette page parle maintenant français.", Emptied: "Le panier est vide maintenant.",
		Added: "Ajouté au panier : %s.", Removed: "Retiré du panier : %s.", NotInCart: "Pas dans le panier : %s.",
		CartFull:       "Un panier n’en contient pas davantage.",
		DevicesHeading: "Vos appareils", DevicesHint: "Connectez-vous avec le même nom dans un autre navigateur ou une fenêtre privée : il apparaîtra ici.",
		DevicesFailed: "La liste ne peut pas être affichée pour le moment.",
		ThisOne:       "celui-ci", Made: "connecté", LastSeen: "vu pour la dernière fois", EndIt: "Le déconnecter", EndOthers: "Déconnecter tous les autres",
		EndedOne: "Cet appareil est déconnecté.", EndedAlready: "Cette session était déjà terminée.", EndedOthers: "Autres appareils déconnectés : %d.",
		EndAll: "Se déconnecter partout", EndedAll: "Vous êtes déconnecté, ici et partout ailleurs.",
		SignInFirst: "Connectez-vous d’abord, s’il vous plaît.",
		Products:    map[string]string{"compass": "Boussole", "lantern": "Lanterne", "map": "Carte", "tea": "Thé"},
	},
}
