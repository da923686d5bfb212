package discord

import (
	"fmt"
	"strings"
)

// An apiError is an answer in Discord's error shape (notes 6).
type apiError struct {
	status  int
	code    int
	message string
	errors  []problem
}

// Error makes it usable as an error inside the package.
func (e *apiError) Error() string {
	return fmt.Sprintf("%d %d %s", e.status, e.code, e.message)
}

// body returns the JSON document of e.
func (e *apiError) body() map[string]any {
	b := map[string]any{"message": e.message, "code": e.code}
	if len(e.errors) > 0 {
		b["errors"] = errorTree(e.errors)
	}
	return b
}

// A problem is one thing wrong with a request's body.
type problem struct {
	path    []string
	code    string
	message string
}

// String renders p for the list of violations.
func (p problem) String() string {
	return strings.Join(p.path, ".") + ": " + p.message
}

// errorTree nests problems by path, each leaf an "_errors" list.
func errorTree(ps []problem) map[string]any {
	root := map[string]any{}
	for _, p := range ps {
		at := root
		for _, step := range p.path {
			next, ok := at[step].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[step] = next
			}
			at = next
		}
		list, _ := at["_errors"].([]any)
		at["_errors"] = append(list, map[string]any{"code": p.code, "message": p.message})
	}
	return root
}

// errorCodes is what each code is sent with.
var errorCodes = map[int]struct {
	status  int
	message string
}{
	10002:  {404, "Unknown Application"},
	10003:  {404, "Unknown Channel"},
	10004:  {404, "Unknown Guild"},
	10008:  {404, "Unknown Message"},
	10013:  {404, "Unknown User"},
	10015:  {404, "Unknown Webhook"},
	10062:  {404, "Unknown interaction"},
	10063:  {404, "Unknown application command"},
	20012:  {403, "You are not authorized to perform this action on this application"},
	20016:  {429, "This action cannot be performed due to slowmode rate limit"},
	20028:  {429, "The write action you are performing on the channel has hit the write rate limit."},
	30032:  {400, "Maximum number of application commands reached (100)"},
	30034:  {400, "Max number of daily application command creates has been reached (200)"},
	30046:  {429, "Maximum number of edits to messages older than 1 hour reached. Try again later"},
	40001:  {401, "Unauthorized. Provide a valid token and try again"},
	40003:  {403, "You are opening direct messages too fast"},
	40060:  {400, "Interaction has already been acknowledged."},
	40094:  {400, "The maximum number of follow up messages for this interaction has been reached"},
	40333:  {403, "internal network error"},
	50001:  {403, "Missing Access"},
	50005:  {403, "Cannot edit a message authored by another user"},
	50006:  {400, "Cannot send an empty message"},
	50007:  {403, "Cannot send messages to this user"},
	50013:  {403, "Missing Permissions"},
	50014:  {401, "Invalid authentication token provided"},
	50027:  {401, "Invalid Webhook Token"},
	50033:  {400, "Invalid Recipient(s)"},
	50035:  {400, "Invalid Form Body"},
	50083:  {400, "Thread is archived"},
	50109:  {400, "The request body contains invalid JSON."},
	50278:  {403, "Cannot send messages to this user due to having no mutual guilds"},
	130000: {503, "API resource is currently overloaded. Try again a little later"},
}

// fail returns the error called code.
func fail(code int) *apiError {
	c, ok := errorCodes[code]
	if !ok {
		return &apiError{status: 400, code: code, message: "General error"}
	}
	return &apiError{status: c.status, code: code, message: c.message}
}

// invalid returns error 50035 over ps.
func invalid(ps ...problem) *apiError {
	e := fail(50035)
	e.errors = ps
	return e
}

// plain returns an error that has no code of its own.
func plain(status int, message string) *apiError {
	return &apiError{status: status, message: fmt.Sprintf("%d: %s", status, message)}
}
