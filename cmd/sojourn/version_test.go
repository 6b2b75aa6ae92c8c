package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionText(t *testing.T) {
	commit := func(version string, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: modified},
		}}
	}
	for _, test := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, "sojourn (devel) go"},
		{&debug.BuildInfo{}, "sojourn (devel) go"},
		{&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "sojourn v1.2.3 go"},
		{commit("v1.2.3", "false"), "sojourn v1.2.3 commit 0123456789ab go"},
		{commit("(devel)", "true"), "sojourn (devel) commit 0123456789ab (modified) go"},
		{commit("v0.0.0-20260101000000-0123456789ab", "false"), "sojourn v0.0.0-20260101000000-0123456789ab go"},
	} {
		if got := versionText(test.info); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q, want %q…", got, test.want)
		}
	}
}
