package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this tool, from its build information",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			return output(cmd, versionText(info)+"\n")
		},
	}
}

// versionText describes a build in one line. Tests and exotic builds have no
// information.
func versionText(info *debug.BuildInfo) string {
	version, revision, modified := "(devel)", "", false
	if info != nil {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = s.Value
			case "vcs.modified":
				modified = s.Value == "true"
			}
		}
	}
	text := "sojourn " + version
	// A pseudo-version ends with the commit already.
	if len(revision) >= 12 && !strings.Contains(version, revision[:12]) {
		text += " commit " + revision[:12]
		if modified {
			text += " (modified)"
		}
	}
	return text + fmt.Sprintf(" %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
