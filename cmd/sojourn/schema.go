package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/stores"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema URL",
		Short: "Print the statements that make a store's table",
		Long: `Print the statements that make the table of a store in SQL: for who may not let
programs make tables. URL is as for demo --store, or its scheme alone. No server
is asked.`,
		Example: `  sojourn schema postgres:
  sojourn schema mysql: | mysql shop`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := stores.Schema(args[0])
			if err != nil {
				return err
			}
			return output(cmd, strings.TrimRight(text, "\n")+"\n")
		},
	}
}
