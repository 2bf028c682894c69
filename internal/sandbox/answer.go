package sandbox

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
)

// An answer is what the API says, before any fault touches it.
type answer struct {
	status int
	header http.Header // beyond the usual; may be nil
	kind   string      // content type
	body   []byte
	link   string // id of the link that was made, if one was
}

const jsonKind = "application/json"

func jsonAnswer(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil { // the values are our own maps of strings and numbers
		panic(fmt.Sprintf("sandbox: an answer cannot be written as JSON: %v", err))
	}
	return answer{status: status, kind: jsonKind, body: body}
}

// A Shape is one of the forms in which Cost+ and its sisters report an error.
type Shape string

// Shapes. The documented mix uses ShapeException for 401 and ShapeObject for
// everything else.
const (
	ShapeMix       Shape = ""
	ShapeObject    Shape = "object"        // {"error":{"status":400,"type":…,"value":…,"property_path":…}}
	ShapeText      Shape = "object_string" // the same with "status":"400"
	ShapeException Shape = "exception"     // {"error":"werkzeug.exceptions.…","message":…}
	ShapeMessage   Shape = "message"       // {"message":…}
	ShapeDetail    Shape = "detail"        // {"detail":…}
	ShapeHTML      Shape = "html"          // a page
	ShapePlain     Shape = "plain"         // a line of text
	ShapeEmpty     Shape = "empty"         // no body at all
)

var shapes = map[Shape]bool{
	ShapeObject: true, ShapeText: true, ShapeException: true, ShapeMessage: true,
	ShapeDetail: true, ShapeHTML: true, ShapePlain: true, ShapeEmpty: true,
}

// failure is an error in the API's words.
type failure struct {
	status int
	kind   string // such as ValidationError
	exc    string // the exception's name, for ShapeException
	value  string
	path   string
}

func unauthorized() failure {
	return failure{
		http.StatusUnauthorized, "AuthenticationError", "werkzeug.exceptions.Unauthorized",
		"The server could not verify that you are authorized to access the URL requested.", "",
	}
}

func notFound(what string) failure {
	return failure{http.StatusNotFound, "NotFoundError", "werkzeug.exceptions.NotFound", what + " was not found", ""}
}

func invalid(r refusal) failure {
	return failure{http.StatusBadRequest, "ValidationError", "werkzeug.exceptions.BadRequest", r.why, r.path}
}

func plainFailure(status int) failure {
	text := http.StatusText(status)
	return failure{status, "Error", "werkzeug.exceptions.HTTPException", text, ""}
}

// say puts a failure into a shape.
func (f failure) say(shape Shape) answer {
	if shape == ShapeMix {
		shape = ShapeObject
		if f.status == http.StatusUnauthorized {
			shape = ShapeException
		}
	}
	switch shape {
	case ShapeException:
		return jsonAnswer(f.status, map[string]any{"error": f.exc, "message": f.value})
	case ShapeMessage:
		return jsonAnswer(f.status, map[string]any{"message": f.value})
	case ShapeDetail:
		return jsonAnswer(f.status, map[string]any{"detail": f.value})
	case ShapeHTML:
		return answer{status: f.status, kind: "text/html; charset=utf-8", body: page(f.status, f.value)}
	case ShapePlain:
		return answer{status: f.status, kind: "text/plain; charset=utf-8", body: []byte(f.value + "\n")}
	case ShapeEmpty:
		return answer{status: f.status}
	}
	detail := map[string]any{"status": f.status, "type": f.kind, "value": f.value}
	if shape == ShapeText {
		detail["status"] = strconv.Itoa(f.status)
	}
	if f.path != "" {
		detail["property_path"] = f.path
		detail["property_description"] = "see the documentation of " + f.path
	}
	return jsonAnswer(f.status, map[string]any{"error": detail})
}

// page is what a proxy in front of the API might answer.
func page(status int, text string) []byte {
	return fmt.Appendf(nil, "<html>\n<head><title>%d %s</title></head>\n<body><h1>%s</h1></body>\n</html>\n",
		status, http.StatusText(status), html.EscapeString(text))
}
