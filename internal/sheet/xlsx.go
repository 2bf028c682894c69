package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Value is one cell of a workbook: a text, or a number as its decimal text.
type Value struct {
	Text     string
	Number   string // a decimal such as -12.50; empty: Text
	Decimals int    // shown of a number
}

// Workbook returns an Office Open XML workbook (ECMA-376) with one sheet: a bold
// header that stays in sight, and rows. Texts are made fit by [Cell] and stored
// as texts, so that none is a formula; numbers are stored as they are written,
// and a spreadsheet that counts in floating point may show the last digits of
// very large ones otherwise. A library for all of the format would make the
// program a tenth larger.
func Workbook(name string, head []string, rows [][]Value) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range []struct{ name, text string }{
		{"[Content_Types].xml", contentTypes},
		{"_rels/.rels", rels("officeDocument", "xl/workbook.xml", "")},
		{"xl/workbook.xml", fmt.Sprintf(workbook, escaped(name))},
		{"xl/_rels/workbook.xml.rels", rels("worksheet", "worksheets/sheet1.xml", `<Relationship Id="rId2" Type="`+relation+`styles" Target="styles.xml"/>`)},
		{"xl/styles.xml", styles()},
	} {
		w, err := z.Create(part.name)
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, xml.Header+part.text); err != nil {
			return nil, err
		}
	}
	w, err := z.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		return nil, err
	}
	if err := worksheet(w, head, rows); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

const (
	relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
	main     = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`

	contentTypes = `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
		`<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>` +
		`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`
	workbook = `<workbook ` + main + ` xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">` +
		`<sheets><sheet name="%s" sheetId="1" r:id="rId1"/></sheets></workbook>`
)

func rels(kind, target, more string) string {
	return `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="` + relation + kind + `" Target="` + target + `"/>` + more + `</Relationships>`
}

// mostDecimals is how many decimals a currency may have (ISO 4217).
const mostDecimals = 4

// styles returns the formats of cells: plain, bold, and numbers with none to
// mostDecimals decimals, in this order.
func styles() string {
	var formats, cells strings.Builder
	for d := range mostDecimals + 1 {
		format := "#,##0"
		if d > 0 {
			format += "." + strings.Repeat("0", d)
		}
		fmt.Fprintf(&formats, `<numFmt numFmtId="%d" formatCode="%s"/>`, 164+d, format)
		fmt.Fprintf(&cells, `<xf numFmtId="%d" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>`, 164+d)
	}
	return `<styleSheet ` + main + `>` +
		fmt.Sprintf(`<numFmts count="%d">%s</numFmts>`, mostDecimals+1, &formats) +
		`<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>` +
		`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>` +
		`<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>` +
		`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>` +
		fmt.Sprintf(`<cellXfs count="%d"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>`, mostDecimals+3) +
		`<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>` + cells.String() + `</cellXfs></styleSheet>`
}

// worksheet writes the rows as they come.
func worksheet(w io.Writer, head []string, rows [][]Value) error {
	b := bytes.NewBufferString(xml.Header + `<worksheet ` + main + `><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData><row r="1">`)
	for _, h := range head {
		writeText(b, h, 1)
	}
	b.WriteString(`</row>`)
	for i, row := range rows {
		b.WriteString(`<row r="` + strconv.Itoa(i+2) + `">`)
		for _, v := range row {
			if v.Number == "" {
				writeText(b, v.Text, 0)
				continue
			}
			if !isNumber(v.Number) || v.Decimals < 0 || v.Decimals > mostDecimals {
				return fmt.Errorf("%q with %d decimals is no number for a sheet", v.Number, v.Decimals)
			}
			fmt.Fprintf(b, `<c s="%d"><v>%s</v></c>`, 2+v.Decimals, v.Number)
		}
		b.WriteString(`</row>`)
		if b.Len() > 1<<16 {
			if _, err := b.WriteTo(w); err != nil {
				return err
			}
		}
	}
	b.WriteString(`</sheetData></worksheet>`)
	_, err := b.WriteTo(w)
	return err
}

func writeText(b *bytes.Buffer, text string, style int) {
	fmt.Fprintf(b, `<c s="%d" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`, style, escaped(Cell(text)))
}

// escaped writes a text as XML; characters that XML cannot hold become U+FFFD.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // into memory
	return b.String()
}
