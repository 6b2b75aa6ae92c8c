package tagged

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	monthNames = strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec " +
		"january february march april may june july august september october november december")
	dayNames  = strings.Fields("mon tue wed thu fri sat sun")
	zoneHours = map[string]int{"UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "AST": -4, "ADT": -3, "EST": -5, "EDT": -4,
		"CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
)

// parseDate reads a date as Python's email.utils.parsedate_to_datetime does,
// which is what werkzeug uses: RFC 2822, 850 and asctime forms, two-digit
// years, wrong weekdays; no zone is UTC.
func parseDate(text string) (time.Time, bool) {
	const layout = "Mon, 02 Jan 2006 15:04:05 GMT" // what Flask writes
	if len(text) == len(layout) && strings.HasSuffix(text, " GMT") && text[12] != '0' {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	day, month, year, clock, zone, ok := dateParts(text)
	if !ok {
		return time.Time{}, false
	}
	hour, minute, second, ok := clockOf(clock)
	y, yOK := pythonInt(year)
	d, dOK := pythonInt(day)
	if !ok || !yOK || !dOK {
		return time.Time{}, false
	}
	switch {
	case y < 69:
		y += 2000
	case y < 100:
		y += 1900
	}
	offset, ok := zoneOffset(zone)
	if !ok || y < 1 || y > 9999 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	loc := time.UTC
	if offset != 0 {
		loc = time.FixedZone("", offset)
	}
	t := time.Date(y, time.Month(month), d, hour, minute, second, 0, loc)
	if t.Day() != d || t.Month() != time.Month(month) {
		return time.Time{}, false
	}
	return t, true
}

// dateParts finds the five parts of a date in any of its orders. Every turn is
// Python's.
func dateParts(text string) (day string, month int, year, clock, zone string, ok bool) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return
	}
	if strings.HasSuffix(words[0], ",") || slices.Index(dayNames, strings.ToLower(words[0])) >= 0 {
		words = words[1:]
	} else if i := strings.LastIndexByte(words[0], ','); i >= 0 {
		words[0] = words[0][i+1:]
	}
	if len(words) == 3 { // RFC 850
		if parts := strings.Split(words[0], "-"); len(parts) == 3 {
			words = append(parts, words[1:]...)
		}
	}
	if len(words) == 4 {
		s := words[3]
		i := strings.IndexByte(s, '+')
		if i == -1 {
			i = strings.IndexByte(s, '-')
		}
		if i > 0 {
			words = append(words[:3:3], s[:i], s[i:])
		} else {
			words = append(words, "")
		}
	}
	if len(words) < 5 || words[0] == "" || words[1] == "" || words[2] == "" {
		return
	}
	day, name, year, clock, zone := words[0], strings.ToLower(words[1]), words[2], words[3], words[4]
	if slices.Index(monthNames, name) < 0 {
		day, name = name, strings.ToLower(day)
	}
	if month = slices.Index(monthNames, name)%12 + 1; slices.Index(monthNames, name) < 0 {
		return
	}
	day = strings.TrimSuffix(day, ",")
	if strings.IndexByte(year, ':') > 0 {
		year, clock = clock, year
	}
	if year = strings.TrimSuffix(year, ","); year == "" {
		return
	}
	if !isDigit(year[0]) {
		year, zone = zone, year
	}
	return day, month, year, strings.TrimSuffix(clock, ","), zone, true
}

func clockOf(text string) (hour, minute, second int, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) == 1 {
		parts = strings.Split(text, ".")
	}
	if len(parts) == 2 {
		parts = append(parts, "0")
	}
	if len(parts) != 3 {
		return
	}
	hour, hOK := pythonInt(parts[0])
	minute, mOK := pythonInt(parts[1])
	second, sOK := pythonInt(parts[2])
	return hour, minute, second, hOK && mOK && sOK
}

// zoneOffset is a zone's distance from UTC in seconds. An unknown zone is UTC.
func zoneOffset(zone string) (int, bool) {
	if hours, known := zoneHours[strings.ToUpper(zone)]; known {
		return hours * 3600, true
	}
	n, ok := pythonInt(zone)
	if !ok {
		return 0, true
	}
	sign := 1
	if n < 0 {
		sign, n = -1, -n
	}
	offset := sign * (n/100*3600 + n%100*60)
	return offset, -86400 < offset && offset < 86400
}

// pythonInt is Python's int(s), of ASCII digits: a sign, white space around
// it and single underscores between digits are allowed.
func pythonInt(s string) (int, bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") || strings.Contains(s, "+_") || strings.Contains(s, "-_") {
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	return n, err == nil
}
